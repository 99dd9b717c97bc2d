const events = new EventSource('events');
events.addEventListener('state', ({ data }) => {
  document.querySelector('#main').textContent = data;
});
