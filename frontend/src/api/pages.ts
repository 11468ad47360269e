/** Lists that the server gives in pages. */

/** What is told of every list in pages to `useInfiniteQuery`. */
export const BY_CURSOR = {
  initialPageParam: null as string | null,
  getNextPageParam: (page: { readonly next_cursor: string | null }) => page.next_cursor,
};

/** The most that the server gives at once. */
export const LARGEST_PAGE = 500;

/** A list that somebody needs whole, page after page. */
export async function allPages<Element>(
  ask: (cursor: string | null) => Promise<{ readonly items: Element[]; readonly next_cursor: string | null }>,
): Promise<Element[]> {
  const found: Element[] = [];
  let cursor: string | null = null;
  do {
    const page = await ask(cursor);
    found.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return found;
}
