import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { projectQuery } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { Loading } from "@/shared/ui/loading";
import { PageHead } from "@/shared/ui/page-head";
import { ProblemNote } from "@/shared/ui/problem-note";
import { DatasetBuilder } from "./builder";
import { DatasetList } from "./dataset-list";
import { datasetsQuery } from "./queries";
import "./exports.css";

/** Frozen datasets for nnU-Net v2: choose what goes in, see what that gives, freeze it. */
export function ExportsPage() {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  const project = useQuery(projectQuery(projectId));
  const datasets = useQuery(datasetsQuery(projectId));
  const [isAsked, setIsAsked] = useState(false);
  const isFirst = datasets.data?.length === 0;
  return (
    <>
      <PageHead
        title={t`Datasets`}
        actions={
          isFirst || isAsked || !datasets.data ? null : (
            <Button variant="primary" onClick={() => setIsAsked(true)}>
              <Trans>New dataset</Trans>
            </Button>
          )
        }
      >
        <p className="cm-quiet">
          <Trans>
            A dataset is a frozen folder for nnU-Net v2 with a manifest of how every mask was made. It never
            changes; later work goes into the next version.
          </Trans>
        </p>
      </PageHead>
      <div className="cm-stack">
        {project.isPending || datasets.isPending ? <Loading /> : null}
        <ProblemNote error={project.error ?? datasets.error} />
        {project.data && (isFirst || isAsked) ? (
          <DatasetBuilder
            key={project.data.id}
            project={project.data}
            onMade={() => setIsAsked(false)}
            onClose={isFirst ? null : () => setIsAsked(false)}
          />
        ) : null}
        {datasets.data && datasets.data.length > 0 ? (
          <DatasetList projectId={projectId} datasets={datasets.data} />
        ) : null}
      </div>
    </>
  );
}
