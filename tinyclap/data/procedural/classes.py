"""The classes of generated sounds, one function each.

To add a class, write its function in the module it belongs to and list it in `SOUNDS`. A function with the decorator
`@sound(*captions, **spans)` is called as `play(rng, t, **parameters)`: it renders the class on the time axis `t`
(seconds, shape (n,)) with parameters drawn from the spans. Its level does not matter: `procedural` puts the sound into
a room, adds a background and sets the level.
"""

from tinyclap.data.procedural import animals, house, machines, people, signals, weather
from tinyclap.data.procedural.synthesis import Sound

SOUNDS: dict[str, Sound] = {
    "alarm_clock": signals.alarm_clock,
    "birdsong": animals.birdsong,
    "buzzing_fly": animals.buzzing_fly,
    "car_horn": machines.car_horn,
    "cat_meow": animals.cat_meow,
    "chainsaw": machines.chainsaw,
    "church_bell": signals.church_bell,
    "clock_ticking": signals.clock_ticking,
    "cow_moo": animals.cow_moo,
    "crackling_fire": weather.crackling_fire,
    "crickets": animals.crickets,
    "crying_baby": people.crying_baby,
    "dial_tone": signals.dial_tone,
    "dog_bark": animals.dog_bark,
    "door_creak": house.door_creak,
    "door_knock": house.door_knock,
    "electric_hum": machines.electric_hum,
    "engine": machines.engine,
    "fireworks": house.fireworks,
    "footsteps": people.footsteps,
    "frog_croak": animals.frog_croak,
    "glass_breaking": house.glass_breaking,
    "hammering": house.hammering,
    "hand_clapping": people.hand_clapping,
    "hand_saw": house.hand_saw,
    "heartbeat": people.heartbeat,
    "helicopter": machines.helicopter,
    "keyboard_typing": house.keyboard_typing,
    "laughing": people.laughing,
    "music_box": signals.music_box,
    "pouring_water": weather.pouring_water,
    "rain": weather.rain,
    "sea_waves": weather.sea_waves,
    "siren": machines.siren,
    "snoring": people.snoring,
    "telephone_ring": signals.telephone_ring,
    "thunder": weather.thunder,
    "train": machines.train,
    "vacuum_cleaner": machines.vacuum_cleaner,
    "water_drops": weather.water_drops,
    "whistling": people.whistling,
    "wind": weather.wind,
}
