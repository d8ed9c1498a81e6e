// The page's side of the worker: calls that give promises, and events.

export class Client extends EventTarget {
  #worker;
  #calls = new Map();
  #number = 0;

  constructor() {
    super();
    this.#start();
  }

  #start() {
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    this.#worker.onmessage = ({ data }) => {
      if (data.event) {
        this.dispatchEvent(new CustomEvent(data.event, { detail: data }));
        return;
      }
      const call = this.#calls.get(data.id);
      this.#calls.delete(data.id);
      if ('error' in data) call?.reject(new Error(data.error));
      else call?.resolve(data.result);
      // A module that has trapped gives nothing sensible any more.
      if (data.fatal) this.#restart(data.error);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#restart(event.message || 'the worker did not start');
    };
  }

  #restart(reason) {
    this.#worker.terminate();
    for (const call of this.#calls.values()) call.reject(new Error(reason));
    this.#calls.clear();
    this.#start();
    this.dispatchEvent(new CustomEvent('restarted', { detail: { reason } }));
  }

  call(method, args = [], transfer = []) {
    this.#number += 1;
    const id = this.#number;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, args }, transfer);
    });
  }
}
