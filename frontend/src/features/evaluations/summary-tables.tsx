import { Trans, useLingui } from "@lingui/react/macro";
import { Link, useParams } from "@tanstack/react-router";
import type { Schema } from "@/api/queries";
import { DataTable } from "@/shared/ui/table";
import { ReferenceNote } from "./notes";
import { scoreValue } from "./words";

type Summary = Schema<"ScoreSummary">;

/** How the volumes of masks and references differ, by organ. */
export function VolumeTable({ summary }: { summary: Summary }) {
  const { t } = useLingui();
  return (
    <div>
      <DataTable caption={t`Volume of the mask minus that of the reference, in ml`} showCaption>
        <thead>
          <tr>
            <th scope="col">{t`Organ`}</th>
            <th scope="col" data-number>
              {t`Mean difference`}
            </th>
            <th scope="col" data-number>
              {t`Limits of agreement`}
            </th>
            <th scope="col" data-number>
              {t`Masks`}
            </th>
          </tr>
        </thead>
        <tbody>
          {summary.volumes.map((one) => (
            <tr key={`${one.label_index} ${one.label_name}`}>
              <th scope="row">
                {one.label_index} {one.label_name}
              </th>
              <td data-number>{milliliters(one.mean)}</td>
              <td data-number className="cm-nowrap">
                {one.low === null ? "–" : `${milliliters(one.low)} … ${milliliters(one.high)}`}
              </td>
              <td data-number>{one.n}</td>
            </tr>
          ))}
        </tbody>
      </DataTable>
      <ReferenceNote origins={summary.origins} outdated={summary.outdated_references} />
    </div>
  );
}

/** Where the lowest scores are. */
export function WorstTable({ summary }: { summary: Summary }) {
  const { t } = useLingui();
  const { projectId = "" } = useParams({ strict: false });
  return (
    <div>
      <DataTable caption={t`Lowest Dice of the volume`} showCaption>
        <thead>
          <tr>
            <th scope="col">{t`Scan`}</th>
            <th scope="col">{t`Organ`}</th>
            <th scope="col">{t`Boxes or training by`}</th>
            <th scope="col" data-number>
              {t`Dice`}
            </th>
            <th scope="col" data-number>
              {t`Coverage`}
            </th>
            <th scope="col" data-number>
              {t`Distance, 95 % (mm)`}
            </th>
          </tr>
        </thead>
        <tbody>
          {summary.worst.map((one) => (
            <tr key={one.mask_id}>
              <th scope="row" className="cm-break">
                <Link
                  to="/admin/projects/$projectId/review"
                  params={{ projectId }}
                  search={{ volume: one.volume_id, label: one.label_index, mask: one.mask_id }}
                >
                  {one.volume_name}
                </Link>
              </th>
              <td>
                {one.label_index} {one.label_name}
              </td>
              <td>{one.by}</td>
              <td data-number>{scoreValue("volume_dice", one.volume_dice)}</td>
              <td data-number>{scoreValue("coverage", one.coverage)}</td>
              <td data-number>{scoreValue("hd95_mm", one.hd95_mm)}</td>
            </tr>
          ))}
        </tbody>
      </DataTable>
      <p className="cm-quiet">
        <Trans>
          A low Dice with a low coverage: slices were missed. A low Dice with a high coverage: the boxes or
          the masks are wrong, or the reference is.
        </Trans>
      </p>
      <ReferenceNote origins={summary.origins} outdated={summary.outdated_references} />
    </div>
  );
}

function milliliters(value: number | null): string {
  return value === null ? "–" : value.toFixed(1);
}
