import { Trans, useLingui } from "@lingui/react/macro";
import { NativeSelect } from "@mantine/core";
import type { Schema } from "@/api/queries";
import { roleMeaning, roleWord } from "@/shared/texts/roles";

type Role = Schema<"Role">;
const ROLES: readonly Role[] = ["annotator", "reviewer", "researcher", "admin"];

export function RoleField({ role, onChange }: { role: Role; onChange: (role: Role) => void }) {
  const { t } = useLingui();
  return (
    <NativeSelect
      label={t`Role`}
      description={roleMeaning(role)}
      inputWrapperOrder={["label", "input", "description", "error"]}
      value={role}
      onChange={(event) => onChange(event.currentTarget.value as Role)}
      data={ROLES.map((one) => ({ value: one, label: roleWord(one) }))}
    />
  );
}

/** Which organs a person gets; null for all, also those to come. */
export function LabelsChoice({
  labels,
  chosen,
  onChange,
}: {
  labels: readonly Schema<"LabelAnswer">[];
  chosen: readonly number[] | null;
  onChange: (chosen: number[] | null) => void;
}) {
  return (
    <fieldset className="cm-fieldset">
      <legend>
        <Trans>Organs</Trans>
      </legend>
      <label className="cm-row">
        <input
          type="checkbox"
          className="cm-check"
          checked={chosen === null}
          onChange={(event) =>
            onChange(event.currentTarget.checked ? null : labels.map((label) => label.index))
          }
        />
        <Trans>All organs, also those that are added later</Trans>
      </label>
      {chosen !== null ? (
        <ul className="cm-plain-list">
          {labels.map((label) => (
            <li key={label.index}>
              <label className="cm-row">
                <input
                  type="checkbox"
                  className="cm-check"
                  checked={chosen.includes(label.index)}
                  onChange={(event) =>
                    onChange(
                      event.currentTarget.checked
                        ? [...chosen, label.index].sort((a, b) => a - b)
                        : chosen.filter((index) => index !== label.index),
                    )
                  }
                />
                <span className="cm-break">{label.name}</span>
              </label>
            </li>
          ))}
        </ul>
      ) : null}
      {chosen?.length === 0 ? (
        <p className="cm-field-error" role="alert">
          <Trans>Choose at least one organ.</Trans>
        </p>
      ) : null}
    </fieldset>
  );
}
