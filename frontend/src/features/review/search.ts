/** What links to the page name. Anybody can write an address, so the page takes it from `readSearch`. */
export interface ReviewAddress {
  readonly volume?: string;
  readonly label?: number;
  readonly slice?: number;
  readonly mask?: string;
}

/** What the address of the page says: which mask is looked at, and where. */
export interface ReviewSearch {
  readonly volume: string | null;
  readonly label: number | null;
  /** From 0, as in the API. */
  readonly slice: number | null;
  /** One of several people's masks. */
  readonly mask: string | null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function whole(value: unknown): number | null {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 ? number : null;
}

/** What is no such thing is left out: anybody can write an address. */
export function readSearch(search: Readonly<Record<string, unknown>>): ReviewSearch {
  return {
    volume: text(search.volume),
    label: whole(search.label),
    slice: whole(search.slice),
    mask: text(search.mask),
  };
}
