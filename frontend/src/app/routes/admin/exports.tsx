export { ExportsPage as ExportsRoute } from "@/features/exports/exports-page";
export { MasksPage as MasksRoute } from "@/features/exports/masks-page";
