import type { AnchorHTMLAttributes, ButtonHTMLAttributes, MouseEvent, ReactNode } from "react";

export type ButtonVariant = "primary" | "secondary" | "plain" | "danger";

export interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "disabled"> {
  readonly variant?: ButtonVariant;
  readonly size?: "normal" | "small";
  /** Stays focusable and readable while it cannot be used, unlike the attribute of that name. */
  readonly disabled?: boolean;
  /** Shows that it is at work; a further click does nothing. */
  readonly busy?: boolean;
  readonly children: ReactNode;
}

export function Button({
  variant = "secondary",
  size = "normal",
  disabled = false,
  busy = false,
  type = "button",
  className,
  onClick,
  children,
  ...rest
}: ButtonProps) {
  const isOff = disabled || busy;
  function click(event: MouseEvent<HTMLButtonElement>): void {
    // Also keeps a submit button from submitting.
    if (isOff) event.preventDefault();
    else onClick?.(event);
  }
  return (
    <button
      {...rest}
      type={type}
      className={className ? `cm-button ${className}` : "cm-button"}
      data-variant={variant}
      data-size={size}
      aria-disabled={isOff || undefined}
      aria-busy={busy || undefined}
      onClick={click}
    >
      {children}
    </button>
  );
}

export interface LinkButtonProps extends AnchorHTMLAttributes<HTMLAnchorElement> {
  readonly href: string;
  readonly variant?: ButtonVariant;
  readonly size?: "normal" | "small";
  readonly children: ReactNode;
}

/** A link that looks like a button: it goes somewhere, it does nothing. */
export function LinkButton({
  variant = "primary",
  size = "normal",
  className,
  children,
  ...rest
}: LinkButtonProps) {
  return (
    <a
      {...rest}
      className={className ? `cm-button ${className}` : "cm-button"}
      data-variant={variant}
      data-size={size}
    >
      {children}
    </a>
  );
}
