/** The texts of the admins' and researchers' pages. */
import { i18n } from "./i18n";
import { messages } from "./locales/admin/en.po";

i18n.load("en", messages);
