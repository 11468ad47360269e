import { Trans, useLingui } from "@lingui/react/macro";
import { useEffect, useRef, useState } from "react";
import "swagger-ui-dist/swagger-ui.css";
import "./api-docs.css";
import { ProblemNote } from "@/shared/ui/problem-note";

/** The description of the API that this server serves; the viewer is loaded on this page alone. */
export function ApiDocsRoute() {
  const { t } = useLingui();
  const place = useRef<HTMLDivElement>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    document.title = `${t`Programming interface`} · Crowdmask`;
    let gone = false;
    import("swagger-ui-dist/swagger-ui-es-bundle.js").then(
      ({ default: show }) => {
        if (gone || place.current === null) return;
        show({
          domNode: place.current,
          url: "/api/v1/openapi.json",
          deepLinking: true,
          docExpansion: "list",
        });
      },
      (failed: unknown) => setError(failed),
    );
    return () => {
      gone = true;
    };
  }, [t]);
  return (
    <main id="main" className="cm-api-docs" tabIndex={-1}>
      <p>
        <a href="/admin">
          <Trans>Back to Crowdmask</Trans>
        </a>
      </p>
      <h1>
        <Trans>Programming interface</Trans>
      </h1>
      <ProblemNote error={error} />
      <div ref={place} />
    </main>
  );
}
