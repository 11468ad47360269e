import { useLingui } from "@lingui/react/macro";
import { NativeSelect } from "@mantine/core";
import { CT_PRESETS, type PresetName, type Window } from "@/canvas/window";
import { Field } from "@/shared/ui/field";

/** With as many digits as somebody would type. */
export function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4));
}

/** Which grey values are black and white: a preset, or two numbers. */
export function WindowFields({
  own,
  isCt,
  window,
  onChange,
}: {
  own: Window;
  isCt: boolean;
  window: Window;
  onChange: (window: Window) => void;
}) {
  const { t } = useLingui();
  const names: Readonly<Record<PresetName, string>> = {
    soft_tissue: t`Soft tissue`,
    liver: t`Liver`,
    lung: t`Lung`,
    bone: t`Bone`,
  };
  const presets = isCt ? (Object.keys(names) as PresetName[]) : [];
  const isSame = (other: Window) => other.low === window.low && other.high === window.high;
  const chosen = isSame(own) ? "own" : (presets.find((name) => isSame(CT_PRESETS[name])) ?? "numbers");
  const shown = { low: rounded(window.low), high: rounded(window.high) };
  function set(change: Partial<Window>): void {
    const next = { ...window, ...change };
    if (Number.isFinite(next.low) && Number.isFinite(next.high) && next.low < next.high) onChange(next);
  }
  return (
    <>
      <NativeSelect
        label={t`Grey values`}
        value={chosen}
        onChange={(event) => {
          const name = event.currentTarget.value;
          if (name !== "numbers") onChange(name === "own" ? own : CT_PRESETS[name as PresetName]);
        }}
        data={[
          { value: "own", label: t`As the project has it` },
          ...presets.map((name) => ({ value: name, label: names[name] })),
          ...(chosen === "numbers" ? [{ value: "numbers", label: t`As the two numbers say` }] : []),
        ]}
      />
      {/* Made anew by another window; what is typed halfway stays. */}
      <div className="cm-review-pair" key={`${window.low} ${window.high}`}>
        <Field
          label={t`Black`}
          type="number"
          step="any"
          defaultValue={shown.low}
          onBlur={(event) => {
            const low = event.currentTarget.valueAsNumber;
            if (low !== shown.low) set({ low });
          }}
        />
        <Field
          label={t`White`}
          type="number"
          step="any"
          defaultValue={shown.high}
          onBlur={(event) => {
            const high = event.currentTarget.valueAsNumber;
            if (high !== shown.high) set({ high });
          }}
        />
      </div>
    </>
  );
}
