import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api, unwrap } from "@/api/client";
import { projectQuery } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { ProblemNote } from "@/shared/ui/problem-note";
import { LEAST_DOUBT } from "./layers";
import type { Source } from "./sources";

/** What is to be seen. */
export interface Shown {
  readonly first: boolean;
  readonly second: boolean;
  /** The first mask in the colours of the model's estimates. */
  readonly estimates: boolean;
  readonly doubt: boolean;
  readonly beside: boolean;
  readonly in3d: boolean;
}

export function ShownFields({
  projectId,
  first,
  second,
  shown,
  can3d,
  onChange,
  children,
}: {
  projectId: string;
  first: Source;
  second: Source | undefined;
  shown: Shown;
  can3d: boolean;
  onChange: (shown: Shown) => void;
  children: ReactNode;
}) {
  const { t } = useLingui();
  const set = (change: Partial<Shown>) => onChange({ ...shown, ...change });
  const { made } = first;
  return (
    <fieldset className="cm-fieldset">
      <legend>
        <Trans>What is shown</Trans>
      </legend>
      <div className="cm-review-layers">
        <Check
          label={first.name}
          colour="first"
          checked={shown.first}
          onChange={(value) => set({ first: value })}
        />
        {second === undefined ? null : (
          <Check
            label={second.name}
            colour="second"
            checked={shown.second}
            onChange={(value) => set({ second: value })}
          />
        )}
        {made === null ? null : (
          <Check
            label={t`Colour by the model's own estimate`}
            checked={shown.estimates}
            onChange={(value) => set({ estimates: value })}
          />
        )}
        {made === null ? null : (
          <Check
            label={t`Where the model is undecided`}
            checked={shown.doubt}
            onChange={(value) => set({ doubt: value })}
          />
        )}
        {second === undefined ? null : (
          <Check
            label={t`Side by side`}
            checked={shown.beside}
            onChange={(value) => set({ beside: value })}
          />
        )}
        {can3d ? (
          <Check label={t`With 3D`} checked={shown.in3d} onChange={(value) => set({ in3d: value })} />
        ) : null}
      </div>
      {shown.estimates && made !== null ? (
        <Legend scale="estimate" from={t`0.5 or less`} to="1">
          <Trans>
            How sure the model is of each slice: one value for all voxels of the mask in a slice. It is no
            measurement.
          </Trans>
        </Legend>
      ) : null}
      {shown.doubt && made !== null ? (
        made.has_uncertainty ? (
          <Legend scale="doubt" from={(LEAST_DOUBT / 100).toFixed(2)} to={t`1 bit`}>
            <Trans>
              How undecided the model is of each voxel (entropy): at 1 bit the voxel may as well be inside as
              outside. A model that is sure can still be wrong.
            </Trans>
          </Legend>
        ) : (
          <NoMap projectId={projectId} jobId={made.job_id} />
        )
      ) : null}
      <div className="cm-review-choices">{children}</div>
    </fieldset>
  );
}

/** An earlier version made the mask. */
function NoMap({ projectId, jobId }: { projectId: string; jobId: string | null }) {
  const role = useQuery(projectQuery(projectId)).data?.role;
  const again = useMutation({
    mutationFn: (id: string) =>
      unwrap(api.POST("/api/v1/jobs/{job_id}/retry", { params: { path: { job_id: id } } })),
  });
  return (
    <div className="cm-note cm-stack">
      <p>
        <Trans>
          This mask was made by an earlier version, which kept no map of where the model was undecided. It has
          to be made again; the mask itself stays the same as long as the model and the rules of completion
          do.
        </Trans>
      </p>
      {again.isSuccess ? (
        <p role="status">
          <Trans>It waits for a worker. Load this page again in a minute.</Trans>
        </p>
      ) : role === "admin" && jobId !== null ? (
        <p>
          <Button busy={again.isPending} onClick={() => again.mutate(jobId)}>
            <Trans>Make it again</Trans>
          </Button>
        </p>
      ) : (
        <p>
          <Trans>An admin of the project can do that here.</Trans>
        </p>
      )}
      <ProblemNote error={again.error} />
    </div>
  );
}

function Legend({
  scale,
  from,
  to,
  children,
}: {
  scale: "estimate" | "doubt";
  from: string;
  to: string;
  children: ReactNode;
}) {
  return (
    <div className="cm-review-legend">
      <span>{from}</span>
      <span className="cm-review-scale" data-scale={scale} aria-hidden="true" />
      <span>{to}</span>
      <span className="cm-quiet">{children}</span>
    </div>
  );
}

function Check({
  label,
  colour,
  checked,
  onChange,
}: {
  label: string;
  colour?: "first" | "second";
  checked: boolean;
  onChange: (checked: boolean) => void;
}) {
  return (
    <label className="cm-review-check">
      <input
        type="checkbox"
        className="cm-check"
        checked={checked}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      {colour === undefined ? null : (
        <span className="cm-review-swatch" data-colour={colour} aria-hidden="true" />
      )}
      {label}
    </label>
  );
}
