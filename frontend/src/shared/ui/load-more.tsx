import { Trans } from "@lingui/react/macro";
import type { ReactNode } from "react";
import { Button } from "./button";

/** Below a list that comes in pages, while there is another. */
export function LoadMore({
  list,
  label,
  children,
}: {
  list: {
    readonly hasNextPage: boolean;
    readonly isFetchingNextPage: boolean;
    fetchNextPage(): Promise<unknown>;
  };
  /** Begins with what stands on the button; where there are several of them. */
  label?: string;
  /** Other words on the button, where it does not stand below the list. */
  children?: ReactNode;
}) {
  if (!list.hasNextPage) return null;
  return (
    <p>
      <Button busy={list.isFetchingNextPage} aria-label={label} onClick={() => void list.fetchNextPage()}>
        {children ?? <Trans>Load more</Trans>}
      </Button>
    </p>
  );
}
