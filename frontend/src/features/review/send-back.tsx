import { Trans, useLingui } from "@lingui/react/macro";
import { Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, unwrap } from "@/api/client";
import { projectKey } from "@/api/queries";
import { sliceNumber } from "@/shared/texts/format";
import { Button } from "@/shared/ui/button";
import { Dialog } from "@/shared/ui/dialog";
import { Field } from "@/shared/ui/field";
import { ProblemNote } from "@/shared/ui/problem-note";
import { useToasts } from "@/shared/ui/toast";
import type { Mask } from "./sources";

const LONGEST = 2000;

/** Say what is wrong, and give the work back to who drew the boxes. */
export function SendBack({
  projectId,
  mask,
  z,
  slices,
  onClose,
}: {
  projectId: string;
  mask: Mask;
  z: number;
  slices: number;
  onClose: () => void;
}) {
  const { t } = useLingui();
  const toasts = useToasts();
  const queryClient = useQueryClient();
  const [comment, setComment] = useState("");
  const [slice, setSlice] = useState(String(sliceNumber(z)));
  const { annotator, segmentation } = mask;
  const send = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST("/api/v1/annotations/{annotation_id}/return", {
          params: { path: { annotation_id: segmentation.annotation_id } },
          // What was looked at: somebody may have handed in anew meanwhile.
          headers: { "If-Match": `"${segmentation.revision}"` },
          body: { comment, slice: Number(slice) - 1 },
        }),
      ),
    onSuccess: () => {
      toasts.show({ tone: "good", text: t`Sent back to ${annotator}.` });
      onClose();
      return queryClient.invalidateQueries({ queryKey: projectKey(projectId) });
    },
  });
  return (
    <Dialog open onClose={onClose} title={t`Send back to ${annotator}`}>
      <form
        className="cm-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (comment.trim() !== "" && slice !== "") send.mutate();
        }}
      >
        <p>
          <Trans>
            The work is open again for {annotator}, who sees these words and can go to the slice. Their mask
            leaves the lists until it is submitted again.
          </Trans>
        </p>
        <Textarea
          label={t`What should be changed`}
          required
          autosize
          minRows={3}
          maxLength={LONGEST}
          value={comment}
          onChange={(event) => setComment(event.currentTarget.value)}
        />
        <Field
          label={t`Slice to look at first`}
          type="number"
          required
          min={1}
          max={slices}
          step={1}
          value={slice}
          onChange={(event) => setSlice(event.currentTarget.value)}
        />
        <ProblemNote error={send.error} />
        <div className="cm-dialog-actions">
          <Button onClick={onClose}>
            <Trans>Cancel</Trans>
          </Button>
          <Button
            type="submit"
            variant="primary"
            busy={send.isPending}
            disabled={comment.trim() === "" || slice === ""}
          >
            <Trans>Send back</Trans>
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
