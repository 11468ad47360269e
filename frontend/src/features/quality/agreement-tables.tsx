import { useLingui } from "@lingui/react/macro";
import type { Schema } from "@/api/queries";
import { percent, score } from "@/shared/texts/format";
import { DataTable } from "@/shared/ui/table";
import { mean, signed } from "./words";

/** The agreement of some pairs together, a line for each organ or person. */
export function MeansTable({
  caption,
  heading,
  means,
}: {
  caption: string;
  heading: string;
  means: readonly Schema<"AgreementMeans">[];
}) {
  const { t } = useLingui();
  return (
    <DataTable caption={caption} showCaption>
      <thead>
        <tr>
          <th scope="col">{heading}</th>
          <th scope="col" data-number>{t`Pairs`}</th>
          <th scope="col" data-number>{t`Boxes alike`}</th>
          <th scope="col" data-number>{t`Same slices`}</th>
          <th scope="col" data-number>{t`Ends apart`}</th>
          <th scope="col" data-number>{t`Dice of masks`}</th>
        </tr>
      </thead>
      <tbody>
        {means.map((row) => (
          <tr key={row.key}>
            <th scope="row" className="cm-break">
              {row.name}
            </th>
            <td data-number>{row.pairs}</td>
            <td data-number>{mean(row.box_iou, row.pairs, score)}</td>
            <td data-number>{mean(row.presence, row.pairs, percent)}</td>
            <td data-number>{mean(row.range_difference, row.pairs, (slices) => slices.toFixed(1))}</td>
            <td data-number>{mean(row.mask_dice, row.pairs, score)}</td>
          </tr>
        ))}
      </tbody>
    </DataTable>
  );
}

/** Every two people on every task, those who agree least first. */
export function PairsTable({ rows }: { rows: readonly Schema<"AgreementRow">[] }) {
  const { t } = useLingui();
  const sorted = [...rows].sort((one, other) => (one.box_iou ?? -1) - (other.box_iou ?? -1));
  return (
    <DataTable caption={t`Every two people on the same task`} showCaption>
      <thead>
        <tr>
          <th scope="col">{t`Scan`}</th>
          <th scope="col">{t`Organ`}</th>
          <th scope="col">{t`One`}</th>
          <th scope="col">{t`The other`}</th>
          <th scope="col" data-number>{t`Boxes alike`}</th>
          <th scope="col" data-number>{t`Same slices`}</th>
          <th scope="col" data-number>{t`First slice`}</th>
          <th scope="col" data-number>{t`Last slice`}</th>
          <th scope="col" data-number>{t`Dice of masks`}</th>
        </tr>
      </thead>
      <tbody>
        {sorted.map((row) => (
          <tr key={`${row.one_annotation_id} ${row.other_annotation_id}`}>
            <th scope="row" className="cm-break">
              {row.volume_name}
            </th>
            <td>
              {row.label_index} {row.label_name}
            </td>
            <td>{row.one}</td>
            <td>{row.other}</td>
            <td data-number>{score(row.box_iou)}</td>
            <td data-number>{row.presence === null ? "–" : percent(row.presence)}</td>
            <td data-number>{signed(row.first_difference)}</td>
            <td data-number>{signed(row.last_difference)}</td>
            <td data-number>{score(row.mask_dice)}</td>
          </tr>
        ))}
      </tbody>
    </DataTable>
  );
}
