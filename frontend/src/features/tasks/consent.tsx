import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, unwrap } from "@/api/client";
import { meQuery, projectKey, projectQuery } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import "./tasks.css";

/** A project's text, which is accepted before the first task. */
export function Consent({
  projectId,
  onAccepted,
  onDecline,
}: {
  projectId: string;
  onAccepted: () => void;
  onDecline: () => void;
}) {
  const queryClient = useQueryClient();
  const project = useQuery(projectQuery(projectId));
  const accept = useMutation({
    mutationFn: (version: number) =>
      unwrap(
        api.PUT("/api/v1/projects/{project_id}/consent", {
          params: { path: { project_id: projectId } },
          body: { version },
        }),
      ),
    // A refusal means that the text is another one by now: it is shown anew.
    onError: () => queryClient.invalidateQueries({ queryKey: projectKey(projectId) }),
    onSuccess: async () => {
      await Promise.all([
        queryClient.invalidateQueries({ queryKey: meQuery().queryKey }),
        queryClient.invalidateQueries({ queryKey: projectKey(projectId) }),
      ]);
      onAccepted();
    },
  });
  if (project.isPending) return <Loading />;
  if (project.isError) return <ProblemNote error={project.error} />;
  const { version, text } = project.data.consent;
  return (
    <>
      <div className="cm-consent-text">{text}</div>
      <ProblemNote error={accept.error} />
      <div className="cm-actions">
        <Button variant="primary" busy={accept.isPending} onClick={() => accept.mutate(version)}>
          <Trans>I have read this and agree</Trans>
        </Button>
        <Button onClick={onDecline}>
          <Trans>Not now</Trans>
        </Button>
      </div>
    </>
  );
}

/** The text as a page of its own, after joining. */
export function ConsentPage({
  projectId,
  projectName,
  onDone,
}: {
  projectId: string;
  projectName: string;
  onDone: () => void;
}) {
  const { t } = useLingui();
  // The page was another one a moment ago: reading starts at the top.
  useEffect(() => {
    document.getElementById("main")?.focus();
    window.scrollTo(0, 0);
  }, []);
  return (
    <>
      <PageHead title={t`Before you begin with ${projectName}`}>
        <p>
          <Trans>
            Please read this. You can take your agreement back at any time, on your account's page.
          </Trans>
        </p>
      </PageHead>
      <Consent projectId={projectId} onAccepted={onDone} onDecline={onDone} />
    </>
  );
}
