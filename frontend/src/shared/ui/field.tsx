import { type InputHTMLAttributes, type ReactNode, useId } from "react";

export interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
  readonly label: ReactNode;
  readonly hint?: ReactNode;
  /** What is wrong with the value; said to screen readers with the field. */
  readonly error?: ReactNode;
}

export function Field({ label, hint, error, id, ...rest }: FieldProps) {
  const own = useId();
  const inputId = id ?? own;
  const notes = [hint ? `${inputId}-hint` : "", error ? `${inputId}-error` : ""].filter(Boolean).join(" ");
  return (
    <div className="cm-field">
      <label htmlFor={inputId}>{label}</label>
      <input
        {...rest}
        id={inputId}
        aria-describedby={notes || undefined}
        aria-invalid={error ? true : undefined}
      />
      {hint ? (
        <span id={`${inputId}-hint`} className="cm-quiet">
          {hint}
        </span>
      ) : null}
      {error ? (
        <span id={`${inputId}-error`} className="cm-field-error" role="alert">
          {error}
        </span>
      ) : null}
    </div>
  );
}
