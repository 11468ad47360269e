import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { meQuery } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { EmptyState } from "@/shared/ui/empty-state";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { allLabels, type Draft, draftProblems, EMPTY_DRAFT, formOf } from "./draft";
import {
  CitationField,
  CompletionField,
  ConsentField,
  HeadingField,
  NameField,
  OverlapField,
  WindowField,
} from "./fields";
import { LabelsField } from "./labels-field";
import { problemWords } from "./problem-words";
import { useCreateProject } from "./queries";

export function NewProjectPage() {
  const { t } = useLingui();
  const me = useQuery(meQuery());
  const navigate = useNavigate();
  const create = useCreateProject();
  const [draft, setDraft] = useState<Draft>(EMPTY_DRAFT);
  const [wasSent, setWasSent] = useState(false);
  const problems = wasSent ? draftProblems(draft) : [];
  const fields = {
    draft,
    problems,
    onChange: (changes: Partial<Draft>) => setDraft((before) => ({ ...before, ...changes })),
  };
  const ofLabels = problems.find((problem) => problem.startsWith("labels_"));

  if (me.data && !me.data.is_operator) {
    return (
      <EmptyState title={t`Only an operator of this server makes projects`}>
        <p>
          <Trans>Ask the person who installed Crowdmask.</Trans>
        </p>
      </EmptyState>
    );
  }
  return (
    <>
      <PageHead title={t`New project`}>
        <p className="cm-quiet">
          <Trans>
            Only the name and the organs are needed. All of it can be changed later, except which number an
            organ has.
          </Trans>
        </p>
      </PageHead>
      <form
        className="cm-form"
        aria-label={t`New project`}
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setWasSent(true);
          if (draftProblems(draft).length > 0) return;
          create.mutate(formOf(draft), {
            onSuccess: (project) =>
              void navigate({ to: "/admin/projects/$projectId/scans", params: { projectId: project.id } }),
          });
        }}
      >
        <NameField {...fields} />
        <LabelsField
          names={draft.labels}
          typed={draft.typedLabels}
          onChange={(labels) => fields.onChange({ labels })}
          onType={(typedLabels) => fields.onChange({ typedLabels })}
          error={ofLabels === undefined ? null : problemWords(ofLabels, { labels: allLabels(draft) })}
        />
        <WindowField {...fields} />
        <OverlapField {...fields} />
        <HeadingField {...fields} />
        <ConsentField {...fields} />
        <CompletionField {...fields} />
        <CitationField {...fields} />
        {problems.length > 0 ? (
          <div className="cm-problem" role="alert">
            <p className="cm-problem-what">
              <Trans>Please put this right first:</Trans>
            </p>
            <ul>
              {problems.map((problem) => (
                <li key={problem}>{problemWords(problem, { labels: allLabels(draft) })}</li>
              ))}
            </ul>
          </div>
        ) : null}
        <ProblemNote error={create.error} />
        <div className="cm-row">
          <Button type="submit" variant="primary" busy={create.isPending}>
            <Trans>Create the project</Trans>
          </Button>
          <Link className="cm-button" data-variant="plain" to="/admin">
            <Trans>Cancel</Trans>
          </Link>
        </div>
      </form>
    </>
  );
}
