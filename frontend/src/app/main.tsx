import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "@/shared/ui/index.css";
import { App } from "./app";
import { registerServiceWorker } from "./pwa";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
registerServiceWorker();
