// The stream of events, read by `fetch` because an EventSource cannot show a key.

import { send } from './client.js';

/** Reads events until the stream ends or is given up; calls with each one's type and data. */
export async function listen(onEvent, signal) {
  const answer = await send('GET', '/v1/events', { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll('\r\n', '\n').split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event) onEvent(event.type, event.data);
    }
  }
}

function parsed(block) {
  let type = 'message';
  const data = [];
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) type = line.slice(6).trim();
    else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
  }
  return data.length ? { type, data: JSON.parse(data.join('\n')) } : null;
}
