import { useSearch } from "@tanstack/react-router";
import { SignInPage } from "@/features/sign-in/sign-in-page";
import "@/shared/texts/pages";

export function SignInRoute() {
  const { next } = useSearch({ from: "/sign-in" });
  return <SignInPage next={next} />;
}
