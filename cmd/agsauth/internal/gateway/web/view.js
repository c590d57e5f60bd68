// The page, as a function of the gateway's state and the time.

import {byId, fromTemplate, keyed, setText, setTone} from './dom.js';
import {ago, dateTime, spell, timeOfDay} from './time.js';
import {
  deadlinesOf, hasEnded, inEffect, inOrder, isLive, nameOf, nextDeadline, resultOf, skewText, toneOf,
} from './words.js';

const shownSessions = 12;

// render shows a state at an instant of the gateway's clock.
export function render(gateway, now, choices, handlers) {
  renderConnection(gateway);
  if (!gateway.config) {
    return;
  }
  setText(byId('url'), gateway.config.url);
  setText(byId('dialect'), gateway.config.dialect === 'ags' ? '' : `dialect ${gateway.config.dialect}`);
  renderClock(gateway, now);
  renderLast(gateway, now);
  renderNext(gateway, now);
  renderEffects(gateway);
  renderSessions(gateway, now, handlers.revoke);
  renderAccounts(gateway, handlers.switchAccount);
  renderRequests(gateway, choices.filter);
}

const connections = {connecting: 'Connecting', live: 'Live', lost: 'Connection lost'};

function renderConnection({connection, restarted}) {
  const sign = byId('connection');
  sign.dataset.state = connection;
  setText(sign, connections[connection]);
  const notice = byId('notice');
  const text = noticeOf(connection, restarted);
  notice.hidden = text === '';
  setText(notice, text);
  document.body.classList.toggle('stale', connection !== 'live');
}

function noticeOf(connection, restarted) {
  if (connection === 'lost') {
    return 'The gateway does not answer; what you see is from before. The page connects again by itself. ' +
      'If the gateway was restarted on another port, open the URL that it printed.';
  }
  return restarted ? 'The gateway was restarted or reset while the connection was lost. What was before is gone.' : '';
}

function renderClock({skew}, now) {
  const clock = byId('clock');
  setText(clock, `${timeOfDay(now)} UTC`);
  clock.dateTime = new Date(now).toISOString();
  setText(byId('skew'), skewText(skew));
  byId('set-back').disabled = skewText(skew) === '';
}

function renderLast({records, operations}, now) {
  const request = records.latest()[0];
  const last = byId('last');
  if (!request) {
    setText(last, 'None yet');
    setTone(last, '');
    setText(byId('last-detail'), 'Point a client at the URL above.');
    return;
  }
  const result = resultOf(request, operations[request.op]?.inFlight);
  setText(last, `${nameOf(request.op)}: ${result.text}`);
  setTone(last, result.tone);
  const fault = request.fault ? `, by the fault “${request.fault}”` : '';
  setText(byId('last-detail'), `${ago(Date.parse(request.at), now)}${fault}`);
}

function renderNext({sessions, config}, now) {
  const deadline = nextDeadline(sessions, config, now);
  const skip = byId('skip');
  // It keeps the focus: when it is pressed, another deadline is the next one.
  skip.hidden = !deadline;
  setText(byId('next'), deadline ? `in ${spell(deadline.left)}` : 'None');
  setTone(byId('next'), deadline ? toneOf(deadline) : '');
  setText(byId('next-detail'), deadline ? `${deadline.name} of session ${deadline.session.number}` : 'There is no live session.');
}

function renderEffects(gateway) {
  const list = inEffect(gateway);
  byId('calm').hidden = byId('calm-detail').hidden = list.length > 0;
  byId('clear').hidden = list.length === 0;
  keyed(byId('pending'), list, (item) => item.key, () => {
    const line = document.createElement('li');
    line.append(document.createElement('span'), ': ', document.createElement('b'));
    return line;
  }, (line, item) => {
    setText(line.firstElementChild, `${item.what[0].toUpperCase()}${item.what.slice(1)}`);
    setText(line.lastElementChild, item.how);
  });
  for (const [act, on] of [['rejectAll', gateway.rejections.all], ['geoBlock', gateway.geoBlock]]) {
    document.querySelector(`[data-act=${act}]`).setAttribute('aria-pressed', String(on));
  }
}

function renderSessions({sessions, config}, now, revoke) {
  const live = sessions.filter(isLive).length;
  setText(byId('session-count'), sessions.length ? `${live} live of ${sessions.length}` : '');
  byId('no-sessions').hidden = sessions.length > 0;
  const others = byId('other-sessions');
  others.hidden = sessions.length <= shownSessions;
  setText(others, `and ${sessions.length - shownSessions} others`);
  keyed(byId('sessions'), inOrder(sessions).slice(0, shownSessions), (s) => s.number, (s) => {
    const card = fromTemplate('session-template');
    setText(card.querySelector('h3'), `Session ${s.number}`);
    const button = card.querySelector('.revoke');
    button.setAttribute('aria-label', `Revoke session ${s.number}`);
    button.addEventListener('click', () => {
      card.focus();
      revoke(s.number);
    });
    return card;
  }, (card, s) => updateSession(card, s, config, now));
}

function updateSession(card, session, config, now) {
  const badge = card.querySelector('.badge');
  setText(badge, session.state);
  setTone(badge, isLive(session) ? 'good' : hasEnded(session) ? '' : 'warn');
  const refreshes = session.generation - 1;
  const refreshed = refreshes === 0 ? 'not refreshed yet' : refreshes === 1 ? 'refreshed once' : `refreshed ${refreshes} times`;
  setText(card.querySelector('.detail'), `account ${session.accountId}, device ${session.clientId}, ${refreshed}`);
  card.classList.toggle('ended', hasEnded(session));
  card.querySelector('.revoke').hidden = hasEnded(session) && session.state !== 'expired';
  const deadlines = hasEnded(session) ? [] : deadlinesOf(session, config, now);
  keyed(card.querySelector('dl'), deadlines, (d) => d.name, () => fromTemplate('deadline-template'), updateDeadline);
}

function updateDeadline(row, deadline) {
  const past = deadline.left <= 0;
  setTone(row, toneOf(deadline));
  setText(row.querySelector('dt'), deadline.name);
  setText(row.querySelector('.left'), past ? `expired ${spell(-deadline.left)} ago` : `${spell(deadline.left)} left`);
  setText(row.querySelector('.until'), dateTime(deadline.at));
  row.querySelector('i').style.transform = `scaleX(${deadline.part.toFixed(4)})`;
}

function renderAccounts({accounts}, switchAccount) {
  keyed(byId('accounts'), accounts, (a) => a.id, () => {
    const line = fromTemplate('account-template');
    line.querySelector('button').addEventListener('click', () => switchAccount(line.dataset.key));
    return line;
  }, (line, account) => {
    const isOn = account.state === 'live';
    setText(line.querySelector('.name'), `${account.id} (${account.username})`);
    setText(line.querySelector('.badge'), isOn ? '' : account.state);
    const button = line.querySelector('button');
    setText(button, isOn ? 'Suspend' : 'Restore');
    button.setAttribute('aria-label', `${button.textContent} account ${account.id}`);
  });
}

function renderRequests({records, operations}, filter) {
  const requests = records.latest(filter);
  let received = 0;
  for (const [op, counts] of Object.entries(operations)) {
    received += filter && op !== filter ? 0 : counts.requests;
  }
  setText(byId('request-count'), received > requests.length ? `the latest ${requests.length} of ${received}` : '');
  byId('no-requests').hidden = requests.length > 0;
  byId('request-table').hidden = requests.length === 0;
  keyed(byId('requests'), requests, (r) => r.number, () => fromTemplate('request-template'), (row, request) => {
    const result = resultOf(request, operations[request.op]?.inFlight);
    setText(row.querySelector('.at'), timeOfDay(Date.parse(request.at), true));
    setText(row.querySelector('b'), nameOf(request.op));
    setText(row.querySelector('.path'), `${request.method} ${request.path}`);
    setText(row.querySelector('.flow'), request.header['X-Correlation-Id']?.[0] ?? '');
    setText(row.querySelector('.badge'), result.text);
    setTone(row.querySelector('.badge'), result.tone);
    setText(row.querySelector('.fault'), request.fault ? `fault: ${request.fault}` : '');
  });
  keyed(byId('filter'), ['', ...new Set([...records.ops(), ...(filter ? [filter] : [])])], (op) => op || 'all',
    () => document.createElement('option'), (option, op) => {
      option.value = op;
      setText(option, op ? nameOf(op) : 'all operations');
    });
}
