import { AccountPage } from "@/features/account/account-page";
import "@/shared/texts/pages";

export function AccountRoute() {
  return <AccountPage />;
}
