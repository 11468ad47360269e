import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { FormEvent } from "react";
import { api, unwrap } from "@/api/client";
import { ApiError } from "@/api/problem";
import { forgetAccount, meQuery, type Schema } from "@/api/queries";
import type { ProjectRole } from "@/shared/roles";
import { dayAndTime } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { EmptyState } from "@/shared/ui/empty-state";
import { Field } from "@/shared/ui/field";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { useHashToken } from "./hash-token";
import "./sign-in.css";

/** The project that a person has just joined. */
export interface Joined {
  readonly projectId: string;
  readonly projectName: string;
  readonly role: ProjectRole;
  readonly consentNeeded: boolean;
}

/** Shows what an invitation is for, and lets the person join. Looking does not use it up. */
export function JoinPage({ onJoined }: { onJoined: (joined: Joined) => void }) {
  const { t } = useLingui();
  const [token] = useHashToken();
  const preview = useQuery({
    queryKey: ["invite", token],
    queryFn: ({ signal }) =>
      unwrap(api.POST("/api/v1/invites/preview", { body: { token: token ?? "" }, signal })),
    enabled: token !== null,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const me = useQuery({ ...meQuery(), refetchOnMount: "always" });
  const isNobody = me.error instanceof ApiError && me.error.status === 401;

  if (token === null) {
    return (
      <EmptyState
        title={t`The invitation is not in this address`}
        action={
          <Link className="cm-button" to="/tasks">
            <Trans>To your tasks</Trans>
          </Link>
        }
      >
        <p>
          <Trans>Open the link that you were sent once more.</Trans>
        </p>
      </EmptyState>
    );
  }
  if (preview.isPending || (me.isPending && !isNobody)) return <Loading />;
  if (preview.isError) {
    return (
      <div className="cm-narrow">
        <PageHead title={t`Join a project`} />
        <ProblemNote error={preview.error} />
        <p>
          <Link className="cm-button" to="/tasks">
            <Trans>To your tasks</Trans>
          </Link>
        </p>
      </div>
    );
  }
  const { project_name, role, label_names, expires_at } = preview.data;
  return (
    <div className="cm-narrow">
      <PageHead title={t`You are invited to ${project_name}`} />
      <p>
        <WhatYouDo role={role} />
      </p>
      <dl className="cm-facts">
        {role === "researcher" ? null : (
          <>
            <dt>
              <Trans>Organs</Trans>
            </dt>
            <dd>{label_names.join(", ")}</dd>
          </>
        )}
        <dt>
          <Trans>The invitation is valid until</Trans>
        </dt>
        <dd>{dayAndTime(expires_at)}</dd>
      </dl>
      {me.isError && !isNobody ? (
        <ProblemNote error={me.error} />
      ) : (
        <JoinForm
          token={token}
          projectName={project_name}
          me={isNobody ? null : (me.data ?? null)}
          onJoined={onJoined}
        />
      )}
    </div>
  );
}

function WhatYouDo({ role }: { role: ProjectRole }) {
  switch (role) {
    case "annotator":
      return (
        <Trans>
          You draw boxes around organs on the slices of scans. Masks of the organs are made from your boxes.
        </Trans>
      );
    case "reviewer":
      return (
        <Trans>
          You look at the masks that were made from everybody's boxes. You may draw boxes yourself too.
        </Trans>
      );
    case "researcher":
      return (
        <Trans>You follow the progress, make datasets and evaluate results. You draw nothing yourself.</Trans>
      );
    case "admin":
      return (
        <Trans>You run the project: its scans, organs, people and datasets. You may draw boxes too.</Trans>
      );
  }
}

function JoinForm({
  token,
  projectName,
  me,
  onJoined,
}: {
  token: string;
  projectName: string;
  me: Schema<"MeAnswer"> | null;
  onJoined: (joined: Joined) => void;
}) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const join = useMutation({
    mutationFn: async (name: string | null): Promise<Joined> => {
      const { project_id, role } = await unwrap(
        api.POST("/api/v1/invites/accept", { body: name === null ? { token } : { token, name } }),
      );
      const now = await queryClient.fetchQuery({ ...meQuery(), staleTime: 0 });
      const membership = now.memberships.find((one) => one.project_id === project_id);
      return {
        projectId: project_id,
        projectName,
        role,
        consentNeeded: membership?.consent_needed ?? false,
      };
    },
    onSuccess: (joined) => onJoined(joined),
  });
  const signOut = useMutation({
    mutationFn: () => unwrap(api.DELETE("/api/v1/session")),
    onSuccess: () => forgetAccount(queryClient),
  });
  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const name = new FormData(event.currentTarget).get("name");
    join.mutate(me === null ? String(name).trim() : null);
  }
  return (
    <form onSubmit={submit} aria-label={t`Join`}>
      {me === null ? (
        <Field
          label={t`Your name`}
          hint={t`The project's admins see it.`}
          name="name"
          autoComplete="name"
          maxLength={200}
          required
        />
      ) : (
        <p>
          <Trans>
            You join as <strong>{me.name}</strong>.
          </Trans>
        </p>
      )}
      <ProblemNote error={join.error ?? signOut.error} />
      <Button type="submit" variant="primary" busy={join.isPending || join.isSuccess}>
        <Trans>Join</Trans>
      </Button>
      {me === null ? (
        <p className="cm-quiet cm-after">
          <Trans>
            You have an account already? <Link to="/sign-in">Sign in</Link> first, then open the invitation
            again.
          </Trans>
        </p>
      ) : (
        <Button variant="plain" busy={signOut.isPending} onClick={() => signOut.mutate()}>
          <Trans>I am somebody else</Trans>
        </Button>
      )}
    </form>
  );
}
