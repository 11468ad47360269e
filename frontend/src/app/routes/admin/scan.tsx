export { ScanPage as ScanRoute } from "@/features/review/scan-page";
