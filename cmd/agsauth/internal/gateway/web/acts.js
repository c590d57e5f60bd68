// What the buttons do: a request to the admin interface, and how its success is told.

import {nextOf, requestsOf} from './words.js';

// acts returns the act of each button by its name. Each is a function of the gateway's
// state and of the choices: op, times, delay and advance.
export const acts = {
  refuse: (_, choices) => fault(choices, {status: 503}, 'will get a 503'),
  lose: (_, choices) => fault(choices, {kind: 'lost', afterWork: true}, 'will get no answer'),
  slow: (_, choices) => fault(choices, {delay: choices.delay}, `will be answered ${choices.delay.replace('s', ' s')} late`),
  rejectNext: ({rejections}) => {
    const next = rejections.next + 1;
    const told = `The API rejects ${nextOf('valid access token', next)}.`;
    return {method: 'PUT', path: 'rejections', body: {next}, told};
  },
  rejectAll: ({rejections}) => {
    const all = !rejections.all;
    const told = all ? 'The API rejects every access token.' : 'The API accepts valid access tokens.';
    return {method: 'PUT', path: 'rejections', body: {all}, told};
  },
  geoBlock: ({geoBlock}) => {
    const told = geoBlock ? 'The location is allowed.' : 'The location is blocked.';
    return {method: 'PUT', path: 'geoblock', body: {on: !geoBlock}, told};
  },
  rotate: () => ({method: 'POST', path: 'keys/rotate', told: 'The keys are new. All sessions have ended.'}),
  reset: () => ({method: 'POST', path: 'reset', told: 'The gateway is as at the start.'}),
  advance: (_, choices) => advance(choices.advance, choices.advanceName),
  setBack: () => ({method: 'PUT', path: 'clock', body: {skew: 0}, told: 'The clock is right again.'}),
};

function fault({op, times}, what, consequence) {
  const scope = times === 'always' ? {always: true} : {times: Number(times)};
  const which = requestsOf(op, times === 'always' ? times : Number(times));
  const told = `${which[0].toUpperCase()}${which.slice(1)} ${consequence}.`;
  return {method: 'POST', path: 'faults', body: {op, ...what, ...scope}, told};
}

// advance sets the clock forward by a duration as Go writes it.
export function advance(span, name) {
  return {method: 'PUT', path: 'clock', body: {advance: span}, told: `The clock was advanced by ${name}.`};
}

// clearAll are the acts that end everything that is in effect.
export function clearAll({faults, rejections, geoBlock, accounts}) {
  const list = [];
  if (faults.queued.length + faults.always.length > 0) {
    list.push({method: 'DELETE', path: 'faults'});
  }
  if (rejections.all || rejections.next > 0) {
    list.push({method: 'PUT', path: 'rejections', body: {all: false, next: 0}});
  }
  if (geoBlock) {
    list.push({method: 'PUT', path: 'geoblock', body: {on: false}});
  }
  return list.concat(accounts.filter((a) => a.state !== 'live').map(switchAccount))
    .map((act) => ({...act, told: 'The gateway answers normally.'}));
}

// switchAccount suspends an account, or restores it.
export function switchAccount(account) {
  const path = `accounts/${encodeURIComponent(account.id)}`;
  if (account.state === 'live') {
    return {method: 'POST', path: `${path}/suspend`, told: `Account ${account.id} is suspended.`};
  }
  return {method: 'POST', path: `${path}/restore`, told: `Account ${account.id} is restored.`};
}

export function revoke(number) {
  return {method: 'POST', path: `sessions/${number}/revoke`, told: `Session ${number} is revoked.`};
}
