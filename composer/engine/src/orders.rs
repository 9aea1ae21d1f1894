//! Models of what happens one after the other, in every order in which it can.

/// What is so after some steps, and which of them can come next.
pub(crate) trait World {
    type Action: Copy;

    /// None where an order is at its end.
    fn actions(&self) -> Vec<Self::Action>;

    fn act(&mut self, action: Self::Action);

    /// Whether what must hold after every step does.
    fn is_sound(&mut self) -> bool;
}

/// How many orders there are, and the first in which something is wrong.
pub(crate) fn search<W: World>(begin: impl Fn() -> W) -> (usize, Option<Vec<W::Action>>) {
    let mut orders = 0;
    // Of every step so far: which of how many actions was taken.
    let mut choices: Vec<(usize, usize)> = Vec::new();
    loop {
        let wrong = follow(begin(), |step, count| {
            if step == choices.len() {
                choices.push((0, count));
            }
            choices[step].0
        });
        if wrong.is_some() {
            return (orders, wrong);
        }
        orders += 1;
        while choices.last().is_some_and(|(choice, of)| choice + 1 == *of) {
            choices.pop();
        }
        match choices.last_mut() {
            Some((choice, _)) => *choice += 1,
            None => return (orders, None),
        }
    }
}

/// Goes through one order, in which `choose` says which of so many actions comes next; what was done if
/// something is wrong then.
pub(crate) fn follow<W: World>(
    mut world: W,
    mut choose: impl FnMut(usize, usize) -> usize,
) -> Option<Vec<W::Action>> {
    let mut taken = Vec::new();
    loop {
        let actions = world.actions();
        if actions.is_empty() {
            return None;
        }
        let action = actions[choose(taken.len(), actions.len())];
        taken.push(action);
        world.act(action);
        if !world.is_sound() {
            return Some(taken);
        }
    }
}
