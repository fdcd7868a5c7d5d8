// Many things, a few at a time, so that neither the server nor the browser has to do with all of them
// at once.

const AT_A_TIME = 4;

/**
 * Does `work` with each item, in their order, few at a time; begins no more once `mayGoOn` is false, or
 * once it went wrong with one.
 */
export async function few(items, work, mayGoOn = () => true) {
  let next = 0;
  const worker = async () => {
    while (next < items.length && mayGoOn()) {
      const item = items[next];
      next += 1;
      await work(item).catch((error) => {
        next = items.length;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}
