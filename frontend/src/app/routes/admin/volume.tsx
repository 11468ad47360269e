export { VolumePage as VolumeRoute } from "@/features/review/volume-page";
