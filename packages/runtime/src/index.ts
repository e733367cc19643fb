// Clock, random, coded errors, lifecycle, retry: what every layer needs, without one word of the domain.
export {};
