import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, unwrap } from "@/api/client";
import { projectKey, projectQuery } from "@/api/queries";
import { Button } from "@/shared/ui/button";
import { ProblemNote } from "@/shared/ui/problem-note";
import { Status } from "@/shared/ui/status";
import { useToasts } from "@/shared/ui/toast";
import { SendBack } from "./send-back";
import type { Mask } from "./sources";

/** Accept submitted work, or send it back. */
export function Verdict({
  projectId,
  mask,
  z,
  slices,
}: {
  projectId: string;
  mask: Mask;
  z: number;
  slices: number;
}) {
  const { t } = useLingui();
  const toasts = useToasts();
  const queryClient = useQueryClient();
  const role = useQuery(projectQuery(projectId)).data?.role;
  const [isSendingBack, setIsSendingBack] = useState(false);
  const { annotator, segmentation } = mask;
  const isAccepted = mask.annotation_state === "accepted";
  const accept = useMutation({
    mutationFn: () =>
      unwrap(
        api.POST("/api/v1/annotations/{annotation_id}/accept", {
          params: { path: { annotation_id: segmentation.annotation_id } },
          // What was looked at: somebody may have handed in anew meanwhile.
          headers: { "If-Match": `"${segmentation.revision}"` },
        }),
      ),
    onSuccess: () => {
      toasts.show({ tone: "good", text: t`Accepted: ${annotator}'s work stays as it is.` });
      return queryClient.invalidateQueries({ queryKey: projectKey(projectId) });
    },
  });
  const mayReview = role === "admin" || role === "reviewer";
  if (!mayReview && !isAccepted) return null;
  return (
    <>
      <div className="cm-row">
        {isAccepted ? (
          <Status tone="good">
            <Trans>Accepted</Trans>
          </Status>
        ) : null}
        {mayReview && !isAccepted ? (
          <Button variant="primary" busy={accept.isPending} onClick={() => accept.mutate()}>
            <Trans>Accept</Trans>
          </Button>
        ) : null}
        {mayReview ? (
          <Button onClick={() => setIsSendingBack(true)}>
            <Trans>Send back</Trans>
          </Button>
        ) : null}
      </div>
      <ProblemNote error={accept.error} />
      {isSendingBack ? (
        <SendBack
          projectId={projectId}
          mask={mask}
          z={z}
          slices={slices}
          onClose={() => setIsSendingBack(false)}
        />
      ) : null}
    </>
  );
}
