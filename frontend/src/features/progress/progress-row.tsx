import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import type { Schema } from "@/api/queries";
import { percent, score } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { ProgressBar } from "@/shared/ui/progress-bar";
import { Status } from "@/shared/ui/status";
import { gapWords, maskWords, personState, taskState } from "./words";

type Row = Schema<"ProgressRow">;
type Person = Schema<"PersonOnTask">;

/** One task. `onTakeBack` is null for those who only read. */
export function ProgressTableRow({
  row,
  projectId,
  onTakeBack,
}: {
  row: Row;
  projectId: string;
  onTakeBack: ((person: Person) => void) | null;
}) {
  const { t } = useLingui();
  const state = taskState(row.state);
  return (
    <tr>
      <th scope="row" className="cm-break">
        {row.volume_name}
      </th>
      <td className="cm-break">{row.label_name}</td>
      <td className="cm-share">
        <span>{percent(row.share)}</span>
        <ProgressBar
          label={t`Decided slices of ${row.label_name} in ${row.volume_name}`}
          value={Math.round(row.share * 100)}
          max={100}
          valueText={percent(row.share)}
        />
      </td>
      <td>{t`${row.submitted} of ${row.needed}`}</td>
      <td>
        <Status tone={state.tone}>{state.words}</Status>
      </td>
      <td>
        <Agreement row={row} projectId={projectId} />
      </td>
      <td className="cm-people">
        {row.people.length === 0 ? (
          <span className="cm-quiet">
            <Trans>nobody yet</Trans>
          </span>
        ) : (
          <ul className="cm-plain-list">
            {row.people.map((person) => (
              <PersonChip
                key={person.assignment_id}
                person={person}
                row={row}
                projectId={projectId}
                onTakeBack={onTakeBack}
              />
            ))}
          </ul>
        )}
      </td>
    </tr>
  );
}

/** How alike the boxes are of the two people who agree least. */
function Agreement({ row, projectId }: { row: Row; projectId: string }) {
  const { t } = useLingui();
  if (row.agreement === null) return "–";
  const { lowest, pairs } = row.agreement;
  return (
    <>
      <Link
        to="/admin/projects/$projectId/quality"
        params={{ projectId }}
        aria-label={t`Agreement about ${row.label_name} in ${row.volume_name}: ${score(lowest)}`}
      >
        {score(lowest)}
      </Link>
      {pairs > 1 ? (
        <span className="cm-quiet cm-below cm-nowrap">
          <Plural value={pairs} one="lowest of # pair" other="lowest of # pairs" />
        </span>
      ) : null}
    </>
  );
}

function PersonChip({
  person,
  row,
  projectId,
  onTakeBack,
}: {
  person: Person;
  row: Row;
  projectId: string;
  onTakeBack: ((person: Person) => void) | null;
}) {
  const { t } = useLingui();
  const state = personState(person);
  const mask = maskWords(person.mask_state);
  const gaps = gapWords(person, row.n_slices);
  const hasWork = person.annotation_id !== null;
  return (
    <li className="cm-person">
      <div className="cm-row">
        <strong className="cm-break">{person.name}</strong>
        <Status tone={state.tone}>{state.words}</Status>
        {hasWork ? <span>{percent(person.share)}</span> : null}
        {person.not_in_volume ? (
          <span>
            <Trans>says it is not in this scan</Trans>
          </span>
        ) : null}
        {mask !== null ? <Status tone={mask.tone}>{mask.words}</Status> : null}
        {person.segmentation_id !== null ? (
          <>
            <Link
              to="/admin/projects/$projectId/review"
              params={{ projectId }}
              search={{ volume: row.volume_id, label: row.label_index, mask: person.segmentation_id }}
              aria-label={t`Review the mask of ${row.label_name} in ${row.volume_name} by ${person.name}`}
            >
              <Trans>Review</Trans>
            </Link>
            <a
              href={`/api/v1/segmentations/${person.segmentation_id}/file`}
              download
              aria-label={t`Download mask of ${row.label_name} in ${row.volume_name} by ${person.name}`}
            >
              <Trans>Download mask</Trans>
            </a>
          </>
        ) : null}
        {onTakeBack !== null && person.state !== "taken_back" ? (
          <Button
            size="small"
            aria-label={t`Take back ${row.label_name} in ${row.volume_name} from ${person.name}`}
            onClick={() => onTakeBack(person)}
          >
            <Trans>Take back</Trans>
          </Button>
        ) : null}
      </div>
      <Gaps gaps={gaps} />
    </li>
  );
}

const SHOWN = 4;

function Gaps({ gaps }: { gaps: readonly string[] }) {
  if (gaps.length === 0) return null;
  const rest = gaps.length - SHOWN;
  return (
    <ul className="cm-notices">
      {gaps.slice(0, SHOWN).map((gap) => (
        <li key={gap}>{gap}</li>
      ))}
      {rest > 0 ? (
        <li>
          <details>
            <summary>
              <Trans>and {rest} more</Trans>
            </summary>
            <ul className="cm-notices">
              {gaps.slice(SHOWN).map((gap) => (
                <li key={gap}>{gap}</li>
              ))}
            </ul>
          </details>
        </li>
      ) : null}
    </ul>
  );
}
