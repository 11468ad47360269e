/**
 * The texts of the screens. English is built in; another language is loaded when it is chosen. Here are those of every
 * page; the routes import the others (./admin, ./annotate, ./pages).
 */
import { i18n } from "@lingui/core";
import { messages } from "./locales/base/en.po";

export const LOCALES = { en: "English" } as const;
export type Locale = keyof typeof LOCALES;

i18n.load("en", messages);
i18n.activate("en");

export { i18n };
