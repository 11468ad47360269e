/** The texts of the annotators' other pages. */
import { i18n } from "./i18n";
import { messages } from "./locales/pages/en.po";

i18n.load("en", messages);
