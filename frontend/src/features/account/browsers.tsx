import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, unwrap } from "@/api/client";
import { forgetAccount } from "@/api/queries";
import { dayAndTime } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Loading } from "@/shared/ui/loading";
import { ProblemNote } from "@/shared/ui/problem-note";
import { Status } from "@/shared/ui/status";
import { sessionsQuery } from "./queries";

export function Browsers() {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const sessions = useQuery(sessionsQuery());
  const [isAsking, setIsAsking] = useState(false);
  const signOut = useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/me/sessions")),
    onSuccess: async () => {
      await navigate({ to: "/sign-in" });
      await forgetAccount(queryClient);
    },
  });
  return (
    <>
      {sessions.isPending ? <Loading lines={2} /> : null}
      <ProblemNote error={sessions.error} />
      <ul className="cm-lines" aria-label={t`Browsers`}>
        {sessions.data?.map((session) => (
          <li key={session.id}>
            <span>
              <Trans>
                Signed in {dayAndTime(session.created_at)}, last used {dayAndTime(session.seen_at)}
              </Trans>
            </span>
            {session.is_this ? (
              <Status tone="good">
                <Trans>This browser</Trans>
              </Status>
            ) : null}
          </li>
        ))}
      </ul>
      <Button variant="danger" onClick={() => setIsAsking(true)}>
        <Trans>Sign out everywhere</Trans>
      </Button>
      <Confirm
        open={isAsking}
        onClose={() => setIsAsking(false)}
        onConfirm={() => signOut.mutate()}
        title={t`Sign out everywhere?`}
        confirmLabel={t`Sign out everywhere`}
        busy={signOut.isPending}
        error={signOut.error}
      >
        <p>
          <Trans>
            All browsers are signed out, this one too. To come back you need your password or a new sign-in
            link.
          </Trans>
        </p>
      </Confirm>
    </>
  );
}
