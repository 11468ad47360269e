export { QualityPage as QualityRoute } from "@/features/quality/quality-page";
