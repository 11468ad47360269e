/** Numbers and times as the screens write them. */
import { i18n } from "@lingui/core";

export function day(iso: string): string {
  return i18n.date(new Date(iso), { dateStyle: "medium" });
}

export function dayAndTime(iso: string): string {
  return i18n.date(new Date(iso), { dateStyle: "medium", timeStyle: "short" });
}

/** The hour alone when it is today, else the day and the hour. */
export function until(iso: string, now: Date = new Date()): string {
  const time = new Date(iso);
  const isToday = time.toDateString() === now.toDateString();
  return i18n.date(time, isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

/** 0..1 as a whole percentage; only what is complete says 100 %. */
export function percent(share: number): string {
  const whole = share >= 1 ? 100 : Math.min(99, Math.round(share * 100));
  return `${whole} %`;
}

export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A score such as Dice: three digits. */
export function score(value: number | null): string {
  return value === null ? "–" : value.toFixed(3);
}

/** Slices count from 1 on the screen, from 0 in the API. */
export function sliceNumber(z: number): number {
  return z + 1;
}
