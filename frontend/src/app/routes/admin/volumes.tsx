export { VolumesPage as VolumesRoute } from "@/features/volumes/volumes-page";
