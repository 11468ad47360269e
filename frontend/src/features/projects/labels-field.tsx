import { Trans, useLingui } from "@lingui/react/macro";
import { Textarea } from "@mantine/core";
import { useState } from "react";
import { Button } from "@/shared/ui/button";
import { namesIn } from "./draft";

/** The list of organs: typed or pasted, in an order that gives each its number. */
export function LabelsField({
  names,
  typed,
  onChange,
  onType,
  error,
}: {
  names: readonly string[];
  /** What stands in the field below the list. */
  typed: string;
  onChange: (names: readonly string[]) => void;
  onType: (typed: string) => void;
  error: string | null;
}) {
  const { t } = useLingui();
  const [said, setSaid] = useState("");

  function add(): void {
    const found = namesIn(typed);
    if (found.length === 0) return;
    onChange([...names, ...found]);
    onType("");
  }
  function move(at: number, by: number): void {
    const changed = [...names];
    const [name] = changed.splice(at, 1);
    if (name === undefined) return;
    changed.splice(at + by, 0, name);
    onChange(changed);
    setSaid(t`${name} is now number ${at + by + 1}`);
  }

  return (
    <fieldset className="cm-fieldset">
      <legend>
        <Trans>Organs</Trans>
      </legend>
      {names.length > 0 ? (
        <ol className="cm-plain-list cm-ordered">
          {names.map((name, at) => (
            // A name may stand here twice until that is put right.
            <li key={`${at} ${name}`} className="cm-row">
              <span className="cm-ordered-number">{at + 1}</span>
              <span className="cm-ordered-name cm-break">{name}</span>
              <Button
                size="small"
                aria-label={t`Move ${name} up`}
                disabled={at === 0}
                onClick={() => move(at, -1)}
              >
                <span aria-hidden="true">↑</span>
              </Button>
              <Button
                size="small"
                aria-label={t`Move ${name} down`}
                disabled={at === names.length - 1}
                onClick={() => move(at, 1)}
              >
                <span aria-hidden="true">↓</span>
              </Button>
              <Button
                size="small"
                aria-label={t`Remove ${name}`}
                onClick={() => onChange(names.filter((_, other) => other !== at))}
              >
                <span aria-hidden="true">✕</span>
              </Button>
            </li>
          ))}
        </ol>
      ) : null}
      <Textarea
        label={t`Add organs`}
        description={t`One, or many at once: a line each, or with commas between. Their order gives their numbers in the masks: 1, 2, 3.`}
        autosize
        minRows={1}
        maxRows={10}
        value={typed}
        error={error}
        onChange={(event) => onType(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            add();
          }
        }}
      />
      <Button onClick={add} disabled={namesIn(typed).length === 0}>
        <Trans>Add to the list</Trans>
      </Button>
      <span className="cm-hidden" aria-live="polite">
        {said}
      </span>
    </fieldset>
  );
}
