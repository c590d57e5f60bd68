// The wiring: the state of the gateway to the page, and the buttons to the gateway.

import {acts, advance, clearAll, revoke, switchAccount} from './acts.js';
import {byId, setText, setTone} from './dom.js';
import {Gateway} from './gateway.js';
import {render} from './view.js';
import {nextDeadline} from './words.js';

const ticks = 200; // milliseconds between two looks at the clock

let due = false; // whether a frame is to be drawn
const gateway = new Gateway(() => {
  if (!due) {
    due = true;
    requestAnimationFrame(draw);
  }
});

// choices returns what is selected.
function choices() {
  const advanced = byId('advance').selectedOptions[0];
  return {
    op: byId('op').value,
    times: byId('times').value,
    delay: byId('delay').value,
    advance: advanced.value,
    advanceName: advanced.textContent,
    filter: byId('filter').value,
  };
}

function draw() {
  due = false;
  render(gateway, gateway.now(), choices(), {
    revoke: (number) => perform(revoke(number)),
    switchAccount: (id) => perform(switchAccount(gateway.accounts.find((a) => a.id === id))),
  });
}

// perform acts on the gateway, and says what came of it.
async function perform(...list) {
  const outcome = byId('outcome');
  setText(outcome, ''); // so that the same text is announced again
  try {
    for (const {method, path, body} of list) {
      await gateway.act(method, path, body);
    }
    setTone(outcome, 'good');
    setText(outcome, list.at(-1)?.told ?? '');
  } catch (error) {
    setTone(outcome, 'bad');
    const isAway = error instanceof TypeError || error.name === 'TimeoutError';
    setText(outcome, `Not done: ${isAway ? 'the gateway does not answer' : error.message}.`);
  }
}

// tick counts down. A session changes when a deadline passes, which no event tells.
let passing = null;
function tick() {
  const now = gateway.now();
  if (passing !== null && now >= passing) {
    gateway.want('some');
  }
  passing = gateway.config && (nextDeadline(gateway.sessions, gateway.config, now)?.at ?? null);
  draw();
}

for (const button of document.querySelectorAll('button[data-act]')) {
  button.addEventListener('click', () => perform(acts[button.dataset.act](gateway, choices())));
}
byId('clear').addEventListener('click', () => {
  byId('effects-title').focus(); // the button is about to be hidden
  perform(...clearAll(gateway));
});
byId('skip').addEventListener('click', () => {
  const deadline = nextDeadline(gateway.sessions, gateway.config, gateway.now());
  if (deadline) {
    const seconds = Math.ceil(deadline.left / 1e3);
    perform({...advance(`${seconds}s`, ''), told: `The ${deadline.name.toLowerCase()} of session ${deadline.session.number} has expired.`});
  }
});
byId('filter').addEventListener('change', draw);
setInterval(tick, ticks);
gateway.run();
