import { Trans, useLingui } from "@lingui/react/macro";
import { LinkButton } from "@/shared/ui/button";
import { EmptyState } from "@/shared/ui/empty-state";

export function NotFound() {
  const { t } = useLingui();
  return (
    <EmptyState
      title={t`There is no such page`}
      action={
        <LinkButton href="/tasks">
          <Trans>To your tasks</Trans>
        </LinkButton>
      }
    />
  );
}
