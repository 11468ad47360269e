import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import type { Schema } from "@/api/queries";
import { byReason, folders } from "./draft";

const SHOWN_FILES = 6;

/** What a dataset made now would hold, and what stays out and why. */
export function Preview({
  preview,
  projectId,
  isBehind,
}: {
  preview: Schema<"ExportPreview">;
  projectId: string;
  /** The choice has changed since. */
  isBehind: boolean;
}) {
  const { cases, test_cases: testCases, left_out: leftOut, partial_cases: partialCases } = preview;
  return (
    <div className="cm-preview" aria-busy={isBehind}>
      <div role="status">
        <p className="cm-preview-counts">
          <strong>
            <Plural value={cases.length} one="# scan for training" other="# scans for training" />
          </strong>
          {", "}
          <Plural value={testCases.length} one="# for the test" other="# for the test" />
          {", "}
          <Plural value={leftOut.length} one="# left out" other="# left out" />
        </p>
      </div>
      {preview.problem !== null ? (
        <p className="cm-problem" role="alert">
          {preview.problem}
        </p>
      ) : null}
      {cases.length === 0 && leftOut.length === 0 ? (
        <p>
          <Trans>
            There is nothing to choose from yet. A scan can go in when it is ready and has tasks.{" "}
            <Link to="/admin/projects/$projectId" params={{ projectId }}>
              See the progress
            </Link>
          </Trans>
        </p>
      ) : null}
      {preview.masks_to_make > 0 ? (
        <p className="cm-note">
          <Plural
            value={preview.masks_to_make}
            one="# mask is not there yet and will be made first."
            other="# masks are not there yet and will be made first."
          />
        </p>
      ) : null}
      {partialCases.length > 0 ? (
        <details>
          <summary>
            <Plural
              value={partialCases.length}
              one="# scan with undecided slices"
              other="# scans with undecided slices"
            />
          </summary>
          <Names all={partialCases} />
        </details>
      ) : null}
      {preview.dropped_labels.length > 0 ? (
        <>
          <h4>
            <Trans>Organs that are not in it</Trans>
          </h4>
          <ul>
            {preview.dropped_labels.map((one) => (
              <li key={one.label}>
                <strong className="cm-break">{one.label}</strong>: {one.reason}
              </li>
            ))}
          </ul>
        </>
      ) : null}
      <LeftOut all={leftOut} />
      {preview.files.length > 0 ? <Files paths={preview.files} /> : null}
    </div>
  );
}

/** Grouped by reason; the names are one step away. */
export function LeftOut({ all }: { all: readonly Schema<"LeftOutAnswer">[] }) {
  if (all.length === 0) return null;
  return (
    <>
      <h4>
        <Trans>Left out</Trans>
      </h4>
      <ul className="cm-plain-list">
        {byReason(all).map(({ reason, names }) => (
          <li key={reason}>
            <details>
              <summary>
                <Plural value={names.length} one="# scan" other="# scans" />: {reason}
              </summary>
              <Names all={names} />
            </details>
          </li>
        ))}
      </ul>
    </>
  );
}

export function Names({ all }: { all: readonly string[] }) {
  return (
    <ul>
      {all.map((name) => (
        <li key={name} className="cm-break">
          {name}
        </li>
      ))}
    </ul>
  );
}

function Files({ paths }: { paths: readonly string[] }) {
  const { t } = useLingui();
  return (
    <details>
      <summary>
        <Trans>The folder</Trans>
      </summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard. */}
      <ul className="cm-files" aria-label={t`Files of the dataset`} tabIndex={0}>
        {folders(paths).map(({ name, files }) =>
          name === "" ? (
            files.map((file) => <li key={file}>{file}</li>)
          ) : (
            <li key={name}>
              {name}/
              <ul>
                {files.slice(0, SHOWN_FILES).map((file) => (
                  <li key={file}>{file}</li>
                ))}
                {files.length > SHOWN_FILES ? (
                  <li>
                    <Plural
                      value={files.length - SHOWN_FILES}
                      one="and # more file"
                      other="and # more files"
                    />
                  </li>
                ) : null}
              </ul>
            </li>
          ),
        )}
      </ul>
    </details>
  );
}
