import { Trans, useLingui } from "@lingui/react/macro";
import { Button } from "@/shared/ui/button";
import type { Task } from "./task-files";
import { organName } from "./words";

/** What the organ looks like and what people get wrong, as the project's admin wrote it. */
export function GuideText({ task }: { task: Task }) {
  const { label } = task.assignment;
  const organ = organName(label.name);
  return (
    <>
      {label.guide ? (
        <p className="cm-guide-text">{label.guide}</p>
      ) : (
        <p className="cm-quiet">
          <Trans>
            Draw the smallest box that holds all of the {organ} on a slice. Draw on about every fifth slice;
            the boxes between are suggested, and you look at each of them once.
          </Trans>
        </p>
      )}
      {label.pictures.map((picture) => (
        <figure key={picture.id}>
          <img src={picture.url} alt={picture.caption} loading="lazy" />
          <figcaption>{picture.caption}</figcaption>
        </figure>
      ))}
    </>
  );
}

export function GuidePanel({ task, onClose }: { task: Task; onClose: () => void }) {
  const { t } = useLingui();
  return (
    <aside className="cm-guide" aria-label={t`Guide`} data-testid="guide">
      <div className="cm-guide-head">
        <h2>{task.assignment.label.name}</h2>
        <Button variant="plain" size="small" aria-label={t`Hide the guide`} onClick={onClose}>
          <span aria-hidden="true">«</span>
        </Button>
      </div>
      <GuideText task={task} />
    </aside>
  );
}
