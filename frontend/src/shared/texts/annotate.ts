/** The texts of the workspace. */
import { i18n } from "./i18n";
import { messages } from "./locales/annotate/en.po";

i18n.load("en", messages);
