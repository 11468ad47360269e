import { Trans } from "@lingui/react/macro";
import { useId } from "react";
import { sliceNumber } from "@/shared/texts/format";

/** Through the slices. */
export function SliceSlider({ slices, z, onGo }: { slices: number; z: number; onGo: (z: number) => void }) {
  const slider = useId();
  const number = sliceNumber(z);
  return (
    <div className="cm-review-slider">
      <label htmlFor={slider}>
        <Trans>
          Slice {number} of {slices}
        </Trans>
      </label>
      <input
        id={slider}
        type="range"
        min={1}
        max={slices}
        value={number}
        onChange={(event) => onGo(event.currentTarget.valueAsNumber - 1)}
      />
    </div>
  );
}
