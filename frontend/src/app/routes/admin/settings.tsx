export { SettingsPage as SettingsRoute } from "@/features/projects/settings-page";
