/** The texts of what opens over the picture of the workspace. */
import { i18n } from "./i18n";
import { messages } from "./locales/annotate-later/en.po";

i18n.load("en", messages);
