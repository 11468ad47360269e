import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { projectQuery, type Schema } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { Confirm } from "@/shared/ui/confirm";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { useToasts } from "@/shared/ui/toast";
import { type Draft, draftOf, draftProblems, patchOf } from "./draft";
import {
  CitationField,
  CompletionField,
  ConsentField,
  HeadingField,
  NameField,
  OverlapField,
  WindowField,
} from "./fields";
import { problemWords } from "./problem-words";
import { useChangeProject } from "./queries";

export function SettingsPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const project = useQuery(projectQuery(projectId));
  return (
    <>
      <PageHead title={t`Settings`} />
      {project.isPending ? <Loading /> : null}
      {project.isError ? <ProblemNote error={project.error} /> : null}
      {project.data ? <Settings key={project.data.id} project={project.data} /> : null}
    </>
  );
}

function Settings({ project }: { project: Schema<"ProjectAnswer"> }) {
  const { t } = useLingui();
  const { show } = useToasts();
  const change = useChangeProject(project.id);
  const archive = useChangeProject(project.id);
  const [isAsking, setIsAsking] = useState(false);
  const before = draftOf(project);
  // Only what this person touched: what somebody else changes meanwhile is neither hidden nor overwritten.
  const [touched, setTouched] = useState<Partial<Draft>>({});
  const draft = { ...before, ...touched };
  const problems = draftProblems(draft).filter((problem) => !problem.startsWith("labels_"));
  const patch = problems.length > 0 ? {} : patchOf(before, draft);
  const isChanged = Object.keys(patch).length > 0;
  const consentChanges = draft.consentText.trim() !== before.consentText.trim();
  const fields = {
    draft,
    problems,
    onChange: (changes: Partial<Draft>) => setTouched((earlier) => ({ ...earlier, ...changes })),
  };

  return (
    <div className="cm-stack">
      <form
        className="cm-form"
        aria-label={t`Settings`}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!isChanged) return;
          change.mutate(patch, {
            onSuccess: () => {
              setTouched({});
              show({ text: t`Saved`, tone: "good" });
            },
          });
        }}
      >
        <NameField {...fields} />
        <WindowField {...fields} />
        <OverlapField {...fields} />
        <p className="cm-quiet">
          <Trans>
            People per task holds for tasks that are made from now on; those that exist keep theirs.
          </Trans>
        </p>
        <HeadingField {...fields} />
        <ConsentField {...fields} warn={consentChanges} />
        <CompletionField {...fields} />
        <CitationField {...fields} />
        {problems.length > 0 ? (
          <div className="cm-problem" role="alert">
            {problems.map((problem) => (
              <p key={problem}>{problemWords(problem, draft)}</p>
            ))}
          </div>
        ) : null}
        <ProblemNote error={change.error} />
        <div className="cm-row">
          <Button type="submit" variant="primary" busy={change.isPending} disabled={!isChanged}>
            <Trans>Save</Trans>
          </Button>
        </div>
      </form>
      <section aria-label={t`Archive`}>
        <h2>
          <Trans>Archive</Trans>
        </h2>
        {project.archived ? (
          <>
            <p>
              <Trans>
                This project is archived: nobody gets new tasks. All that was made can still be seen.
              </Trans>
            </p>
            <Button busy={archive.isPending} onClick={() => archive.mutate({ archived: false })}>
              <Trans>Open it again</Trans>
            </Button>
          </>
        ) : (
          <>
            <p>
              <Trans>
                An archived project gives out no more tasks. Nothing is deleted, and it can be opened again.
              </Trans>
            </p>
            <Button variant="danger" onClick={() => setIsAsking(true)}>
              <Trans>Archive the project</Trans>
            </Button>
          </>
        )}
        {isAsking ? null : <ProblemNote error={archive.error} />}
        <Confirm
          open={isAsking}
          onClose={() => setIsAsking(false)}
          onConfirm={() => archive.mutate({ archived: true }, { onSuccess: () => setIsAsking(false) })}
          title={t`Archive this project?`}
          confirmLabel={t`Archive`}
          busy={archive.isPending}
          error={archive.error}
        >
          <p>
            <Trans>
              Nobody gets new tasks from it any more. Nothing is deleted, and you can open it again.
            </Trans>
          </p>
        </Confirm>
      </section>
    </div>
  );
}
