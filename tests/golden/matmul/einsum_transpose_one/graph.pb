
6
xPlaceholder*
dtype0*
shape:
8
zEinsumx*
N*
T0*
equation
ijk->kij"ª