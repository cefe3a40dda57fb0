/** Asking for the password or PIN again, where the server wants a recent authentication. */
import { html, render } from 'lit-html';
import { VyryError } from '../client/errors.ts';
import type { Vyry } from '../client/vyry.ts';
import { field, onSubmit } from './forms.ts';
import { problemOf, problemView } from './problems.ts';
import { texts } from './texts.ts';

/**
 * Runs an act that may need a recent authentication. If the server wants one, the person is asked in a dialog and the act
 * runs again. If the person cancels, the refusal of the server is thrown.
 */
export async function withStepUp<T>(vyry: Pick<Vyry, 'calls'>, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (err) {
    if (!(err instanceof VyryError) || err.fields.maxAgeSeconds === undefined) throw err;
    if (!(await askAgain(vyry))) throw err;
    return await run();
  }
}

/** Resolves to whether the person has authenticated. */
function askAgain({ calls }: Pick<Vyry, 'calls'>): Promise<boolean> {
  const dialog = document.createElement('dialog');
  dialog.setAttribute('aria-labelledby', 'step-up-title');
  let isAuthenticated = false;
  const show = (problem?: unknown) => {
    const { stepUp } = texts();
    render(
      html`<h2 id="step-up-title">${stepUp.title}</h2>
        <p>${stepUp.reason}</p>
        <div role="alert">${problem === undefined ? '' : problemView(problemOf(problem))}</div>
        <form @submit=${onSubmit((values) => void authenticate(values))}>
          ${field({ name: 'secret', label: stepUp.secret, type: 'password', autocomplete: 'current-password' })}
          <fieldset class="choices">
            <legend>${stepUp.kind}</legend>
            <label><input type="radio" name="kind" value="password" checked> ${stepUp.password}</label>
            <label><input type="radio" name="kind" value="pin"> ${stepUp.pin}</label>
          </fieldset>
          <div class="actions">
            <button>${stepUp.confirm}</button>
            <button type="button" class="plain" @click=${() => dialog.close()}>${stepUp.cancel}</button>
          </div>
        </form>`,
      dialog,
    );
  };
  const authenticate = async ({ secret = '', kind }: Record<string, string>) => {
    try {
      await calls.stepUp({ body: kind === 'pin' ? { pin: secret } : { password: secret } });
      isAuthenticated = true;
      dialog.close();
    } catch (err) {
      show(err);
    }
  };
  show();
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(isAuthenticated);
    });
  });
}
