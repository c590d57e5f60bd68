// What the gateway's answers mean, in words. All functions are pure.

import {parseSpan, spellShort} from './time.js';

const kinds = [
  {name: 'Access token', at: 'accessExpiresAt', lifetime: 'accessLifetime'},
  {name: 'Refresh token', at: 'refreshExpiresAt', lifetime: 'refreshLifetime'},
  {name: 'Session', at: 'fixedExpiresAt', lifetime: 'fixedLifetime'},
];

// deadlinesOf returns the three deadlines of a session: their names, their instants, how
// much time is left and which part of the lifetime that is.
export function deadlinesOf(session, config, now) {
  return kinds.map(({name, at, lifetime}) => {
    const instant = Date.parse(session[at]);
    const left = instant - now;
    const whole = parseSpan(config[lifetime]);
    return {name, at: instant, left, part: Math.min(1, Math.max(0, left / whole))};
  });
}

// nextDeadline returns the first deadline of a live session that is still to come, with
// its session, or null.
export function nextDeadline(sessions, config, now) {
  let next = null;
  for (const session of sessions.filter(isLive)) {
    for (const deadline of deadlinesOf(session, config, now)) {
      if (deadline.left > 0 && (!next || deadline.at < next.at)) {
        next = {...deadline, session};
      }
    }
  }
  return next;
}

export function isLive(session) {
  return session.state === 'live';
}

// hasEnded reports whether no refresh can succeed any more. That of a session whose
// account is restored can.
export function hasEnded(session) {
  return session.state !== 'live' && session.state !== 'blocked';
}

// inOrder returns sessions with those first that have not ended, the newest first.
export function inOrder(sessions) {
  return sessions.toSorted((a, b) => hasEnded(a) - hasEnded(b) || b.number - a.number);
}

// toneOf returns "good", "warn" or "bad" for a deadline.
export function toneOf(deadline) {
  if (deadline.left <= 0) {
    return 'bad';
  }
  return deadline.part < 0.2 ? 'warn' : 'good';
}

// resultOf describes the answer of a request. A request without a status has none yet if
// others of its operation are in flight.
export function resultOf(request, inFlight) {
  if (request.status === 0) {
    const open = inFlight > 0 && request.fault !== 'lost';
    return open ? {text: 'no answer yet', tone: 'wait'} : {text: 'no answer', tone: 'bad'};
  }
  const tone = request.status < 400 ? 'good' : request.status < 500 ? 'warn' : 'bad';
  return {text: String(request.status), tone};
}

// describeFault says what a fault does.
export function describeFault(fault) {
  if (fault.kind === 'lost') {
    return fault.afterWork ? 'answer lost' : 'connection closed';
  }
  const parts = fault.kind ? [fault.kind] : [];
  if (fault.status) {
    parts.push(`status ${fault.status}`);
  }
  if (fault.code) {
    parts.push(`code ${fault.code}`);
  }
  if (fault.delay) {
    parts.push(`${spellShort(parseSpan(fault.delay))} late`);
  }
  if (fault.afterWork) {
    parts.push('after the work');
  }
  return parts.join(', ') || 'another answer';
}

// nextOf says which of many something applies to.
export function nextOf(noun, times) {
  switch (times) {
    case 'always':
      return `every ${noun}`;
    case 1:
      return `the next ${noun}`;
    default:
      return `the next ${times} ${noun}s`;
  }
}

// requestsOf says which requests of an operation something applies to.
export function requestsOf(op, times) {
  return nextOf(`${nameOf(op)} request`, times);
}

// inEffect lists what makes the gateway answer otherwise than normally.
export function inEffect({faults, rejections, geoBlock, accounts}) {
  const list = [];
  for (const fault of faults.queued) {
    list.push({key: `queued ${fault.op}`, what: requestsOf(fault.op, fault.times), how: describeFault(fault)});
  }
  for (const fault of faults.always) {
    list.push({key: `always ${fault.op}`, what: requestsOf(fault.op, 'always'), how: describeFault(fault)});
  }
  if (rejections.all) {
    list.push({key: 'all', what: 'every access token', how: 'rejected'});
  }
  if (rejections.next > 0) {
    list.push({key: 'next', what: nextOf('valid access token', rejections.next), how: 'rejected'});
  }
  if (geoBlock) {
    list.push({key: 'location', what: 'the location', how: 'blocked'});
  }
  for (const account of accounts.filter((a) => a.state !== 'live')) {
    list.push({key: `account ${account.id}`, what: `account ${account.id}`, how: account.state});
  }
  return list.map((item, i) => ({...item, key: `${item.key} ${i}`}));
}

export function nameOf(op) {
  return op === 'api' ? 'API' : op;
}

// skewText says by how much the gateway's clock is wrong, or nothing.
export function skewText(skew) {
  const span = parseSpan(skew);
  if (span === 0) {
    return '';
  }
  return `${spellShort(Math.abs(span))} ${span > 0 ? 'ahead' : 'behind'}`;
}
