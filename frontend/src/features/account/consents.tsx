import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQueries, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, unwrap } from "@/api/client";
import { meQuery, myProgressQuery, projectKey, projectQuery, type Schema } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { useToasts } from "@/shared/ui/toast";
import { Section } from "./section";

/** The projects whose text the person has accepted; nothing where there is none. */
export function Consents({ memberships }: { memberships: readonly Schema<"MembershipAnswer">[] }) {
  const { t } = useLingui();
  const projects = useQueries({
    queries: memberships
      .filter(({ consent_needed }) => !consent_needed)
      .map(({ project_id }) => projectQuery(project_id)),
  });
  const accepted = projects.flatMap(({ data }) =>
    data && data.consent.version > 0 && data.consent.text !== "" && data.consent.accepted ? [data] : [],
  );
  if (accepted.length === 0) return null;
  return (
    <Section title={t`What you have agreed to`}>
      <ul className="cm-lines">
        {accepted.map((project) => (
          <Agreed key={project.id} project={project} />
        ))}
      </ul>
    </Section>
  );
}

function Agreed({ project }: { project: Schema<"ProjectAnswer"> }) {
  const { t } = useLingui();
  const queryClient = useQueryClient();
  const toasts = useToasts();
  const [isAsking, setIsAsking] = useState(false);
  const { id, name, consent } = project;
  const withdraw = useMutation({
    mutationFn: () =>
      unwrap(api.DELETE("/api/v1/projects/{project_id}/consent", { params: { path: { project_id: id } } })),
    onSuccess: async () => {
      setIsAsking(false);
      toasts.show({ text: t`You have taken back your agreement in ${name}.` });
      await Promise.all([
        queryClient.invalidateQueries({ queryKey: meQuery().queryKey }),
        queryClient.invalidateQueries({ queryKey: myProgressQuery().queryKey }),
        queryClient.invalidateQueries({ queryKey: projectKey(id) }),
      ]);
    },
  });
  return (
    <li>
      <details>
        <summary>{name}</summary>
        <div className="cm-agreed-text">{consent.text}</div>
      </details>
      <Button variant="danger" aria-label={t`Withdraw consent in ${name}`} onClick={() => setIsAsking(true)}>
        <Trans>Withdraw consent</Trans>
      </Button>
      <Confirm
        open={isAsking}
        onClose={() => setIsAsking(false)}
        onConfirm={() => withdraw.mutate()}
        title={t`Withdraw your consent in ${name}?`}
        confirmLabel={t`Withdraw consent`}
        busy={withdraw.isPending}
        error={withdraw.error}
      >
        <p>
          <Trans>
            You are given no more tasks there. What you made stays until an admin of the project removes it.
            You can agree again later.
          </Trans>
        </p>
      </Confirm>
    </li>
  );
}
