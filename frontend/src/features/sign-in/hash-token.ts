import { useEffect, useState } from "react";

/**
 * The one-time token behind the # of the address. It is taken out of the address bar, so that neither the history nor
 * a picture of the screen keeps it.
 */
export function useHashToken(): [token: string | null, forget: () => void] {
  const [token, setToken] = useState(inAddress);
  useEffect(() => {
    function take(): void {
      const found = inAddress();
      if (found === null) return;
      setToken(found);
      const { pathname, search } = window.location;
      window.history.replaceState(window.history.state, "", pathname + search);
    }
    take();
    // A second link opened in the same tab changes only the part behind the #.
    window.addEventListener("hashchange", take);
    return () => window.removeEventListener("hashchange", take);
  }, []);
  return [token, () => setToken(null)];
}

function inAddress(): string | null {
  const token = window.location.hash.slice(1);
  // "main" is the target of the skip link.
  return token === "" || token === "main" ? null : token;
}
